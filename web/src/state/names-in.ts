/** `alice, bob carol` as names; nobody twice. */
export function namesIn(text: string): readonly string[] {
  return [...new Set(text.split(/[\s,;]+/).map((name) => name.trim().toLowerCase()).filter((name) => name !== ''))];
}
