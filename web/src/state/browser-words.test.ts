import { expect, test } from 'vitest';
import { browserWords } from './browser-words';

test('a browser is named by what it is, not by what it also claims to be', () => {
  expect(browserWords('Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0')).toBe('Firefox on Linux');
  expect(browserWords('Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0 Safari/537.36 Edg/142.0')).toBe('Edge on Windows');
  expect(browserWords('Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1')).toBe('Safari on iPhone');
  expect(browserWords('Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/142.0 Safari/537.36')).toBe('Chrome on Linux');
});

test('what is no browser is shown as it says', () => {
  expect(browserWords('curl/8.5')).toBe('curl/8.5');
  expect(browserWords('')).toBe('A browser');
});
