import type { ExportFormat } from '../api/library';

/** How a file is to be read, by its name and what the browser takes it for; Markdown unless it says JSON. */
export function formatOf(name: string, mediaType: string): ExportFormat {
  return mediaType.includes('json') || /\.json$/i.test(name) ? 'json' : 'markdown';
}
