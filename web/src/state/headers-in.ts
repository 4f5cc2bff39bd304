/** `Name: value` a line, as people write headers. A line without a colon is a name with nothing behind it. */
export function headersIn(text: string): Readonly<Record<string, string>> {
  const lines = text.split('\n').map((line) => line.trim()).filter((line) => line !== '');
  return Object.fromEntries(
    lines.map((line) => {
      const colon = line.indexOf(':');
      return colon === -1 ? [line, ''] : [line.slice(0, colon).trim(), line.slice(colon + 1).trim()];
    }),
  );
}
