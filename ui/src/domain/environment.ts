/** Names of the environment variables that a configuration takes values from: os.environ/NAME, ${NAME}, ${env:NAME}. */
export function environmentNames(text: string): string[] {
  const found = text.matchAll(/os\.environ\/([A-Za-z_]\w*)|\$\{(?:env:)?([A-Za-z_]\w*)\}/g);
  return [...new Set([...found].map((m) => m[1] ?? m[2] ?? ""))].sort();
}
