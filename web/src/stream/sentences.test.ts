import { describe, expect, it } from 'vitest';
import { SentenceFeed } from './sentences';

describe('SentenceFeed', () => {
  it('gives whole sentences as the text grows, each once, and the rest at the end', () => {
    const feed = new SentenceFeed();
    expect(feed.push('Hello')).toBe('');
    expect(feed.push('Hello. And')).toBe('Hello.');
    expect(feed.push('Hello. And **more**! So')).toBe('And more!');
    expect(feed.rest()).toBe('So');
    expect(feed.rest()).toBe('');
  });

  it('names code instead of spelling it, and reads a link by its words', () => {
    const feed = new SentenceFeed();
    expect(feed.push('See [here](https://x.y).\n\n```js\nlet a = 1\n```\n\nDone')).toBe('See here. (code)');
  });
});
