// Runs before the first paint, so that the page never flashes in the other theme. state/theme.ts takes over.
(function () {
  let choice = null;
  try {
    choice = localStorage.getItem('underpass.theme');
  } catch {
    // Storage is switched off in this browser: the system's theme is used.
  }
  const isDark = choice === 'dark' || (choice !== 'light' && matchMedia('(prefers-color-scheme: dark)').matches);
  document.documentElement.dataset.theme = isDark ? 'dark' : 'light';
})();
