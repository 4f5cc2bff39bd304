/** A chat is a tree of messages; the page shows one path through it. */
interface Node {
  readonly id: string;
  readonly parent_id: string | null;
  readonly created_at: string;
}

/** The messages from the root down to `leafId`, or to the newest leaf. Survives loops and lost parents. */
export function pathTo<T extends Node>(messages: readonly T[], leafId: string | null): readonly T[] {
  const byId = new Map(messages.map((message) => [message.id, message]));
  let at: T | undefined = leafId === null ? undefined : byId.get(leafId);
  at ??= messages.reduce<T | undefined>((best, one) => (best === undefined || one.created_at >= best.created_at ? one : best), undefined);
  const path: T[] = [];
  const seen = new Set<string>();
  while (at !== undefined && !seen.has(at.id)) {
    seen.add(at.id);
    path.push(at);
    at = at.parent_id === null ? undefined : byId.get(at.parent_id);
  }
  return path.reverse();
}

/** The messages that share a parent with this one, oldest first, itself among them. */
export function siblingsOf<T extends Node>(messages: readonly T[], message: T): readonly T[] {
  return messages
    .filter((other) => other.parent_id === message.parent_id)
    .sort((a, b) => a.created_at.localeCompare(b.created_at) || a.id.localeCompare(b.id));
}

/** The newest leaf below a message: where its branch was left. */
export function leafBelow(messages: readonly Node[], id: string): string {
  let at = id;
  const seen = new Set<string>([id]);
  for (;;) {
    const children = messages.filter((message) => message.parent_id === at && !seen.has(message.id));
    const newest = children.sort((a, b) => a.created_at.localeCompare(b.created_at)).at(-1);
    if (newest === undefined) return at;
    seen.add(newest.id);
    at = newest.id;
  }
}
