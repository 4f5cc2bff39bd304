/** A chat is a tree of messages; the page shows one path through it. */
interface Node {
  readonly id: string;
  readonly parent_id: string | null;
  readonly created_at: string;
}

const byAge = (a: Node, b: Node): number => a.created_at.localeCompare(b.created_at) || a.id.localeCompare(b.id);

/** An index over messages, made once for each change of the list. Survives loops and lost parents. */
export class Tree<T extends Node> {
  readonly #byId: ReadonlyMap<string, T>;
  readonly #below = new Map<string | null, T[]>();
  readonly #newest: T | undefined;

  constructor(messages: readonly T[]) {
    this.#byId = new Map(messages.map((message) => [message.id, message]));
    let newest: T | undefined;
    for (const one of messages) {
      const others = this.#below.get(one.parent_id);
      if (others === undefined) this.#below.set(one.parent_id, [one]);
      else others.push(one);
      if (newest === undefined || one.created_at >= newest.created_at) newest = one;
    }
    for (const children of this.#below.values()) children.sort(byAge);
    this.#newest = newest;
  }

  get(id: string | null): T | undefined {
    return id === null ? undefined : this.#byId.get(id);
  }

  /** The messages from the root down to `leafId`, or to the newest of all. */
  path(leafId: string | null): readonly T[] {
    const path: T[] = [];
    const seen = new Set<string>();
    let at = this.get(leafId) ?? this.#newest;
    while (at !== undefined && !seen.has(at.id)) {
      seen.add(at.id);
      path.push(at);
      at = this.get(at.parent_id);
    }
    return path.reverse();
  }

  /** The messages that share a parent with this one, oldest first, itself among them. */
  siblings(message: T): readonly T[] {
    return this.#below.get(message.parent_id) ?? [];
  }

  /** The newest leaf below a message (or of all, for null): where its branch was left. */
  leafBelow(id: string | null): string | null {
    let at = id;
    const seen = new Set<string | null>([id]);
    for (;;) {
      const newest = this.#below.get(at)?.findLast((child) => !seen.has(child.id));
      if (newest === undefined) return at;
      seen.add(newest.id);
      at = newest.id;
    }
  }

  /** The message and everything below it. */
  subtree(id: string): ReadonlySet<string> {
    const found = new Set<string>([id]);
    for (const one of found) for (const { id: child } of this.#below.get(one) ?? []) found.add(child);
    return found;
  }
}
