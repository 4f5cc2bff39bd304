import { describe, expect, it } from 'vitest';
import { Tree } from './tree';

const node = (id: string, parent_id: string | null, at: number) => ({ id, parent_id, created_at: `2026-01-01T00:00:0${at}Z` });
// q1 → a1 → q2 → a2, and a second answer b1 to q1 with its own q3.
const TREE = [node('q1', null, 0), node('a1', 'q1', 1), node('q2', 'a1', 2), node('a2', 'q2', 3), node('b1', 'q1', 4), node('q3', 'b1', 5)];
const ids = (path: readonly { id: string }[]): string[] => path.map(({ id }) => id);

describe('a tree of messages', () => {
  it('shows the branch of the newest message, or of the one asked for', () => {
    expect(ids(new Tree(TREE).path(null))).toEqual(['q1', 'b1', 'q3']);
    expect(ids(new Tree(TREE).path('a2'))).toEqual(['q1', 'a1', 'q2', 'a2']);
    expect(ids(new Tree(TREE).path('gone'))).toEqual(['q1', 'b1', 'q3']);
    expect(new Tree([]).path(null)).toEqual([]);
  });

  it('takes the later one of two that were made in the same moment', () => {
    expect(ids(new Tree([node('q', null, 1), node('a', 'q', 1)]).path(null))).toEqual(['q', 'a']);
  });

  it('survives a lost parent and a loop', () => {
    expect(ids(new Tree([node('a', 'gone', 1)]).path(null))).toEqual(['a']);
    expect(ids(new Tree([node('a', 'b', 1), node('b', 'a', 2)]).path(null))).toEqual(['a', 'b']);
    expect(new Tree([node('a', 'b', 1), node('b', 'a', 2)]).leafBelow('a')).toBe('b');
  });

  it('knows the versions of a message, and where a branch was left', () => {
    expect(ids(new Tree(TREE).siblings(TREE[4]!))).toEqual(['a1', 'b1']);
    expect(new Tree(TREE).leafBelow('a1')).toBe('a2');
    expect(new Tree(TREE).leafBelow('q3')).toBe('q3');
  });

  it('knows everything below a message, once, in a loop too', () => {
    expect([...new Tree(TREE).subtree('a1')]).toEqual(['a1', 'q2', 'a2']);
    expect([...new Tree([node('a', 'b', 1), node('b', 'a', 2)]).subtree('a')]).toEqual(['a', 'b']);
  });
});
