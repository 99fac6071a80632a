// Sizes of data, for people.

/** The length in bytes of what a Base64 text stands for. */
export const byteLength = (base64: string): number => Math.floor((base64.replace(/=+$/, "").length * 3) / 4);

/** A number of bytes in the unit that fits: "4 kB". */
export function bytes(n: number): string {
  if (n < 1000) return `${n} B`;
  const [size, unit] = n < 1_000_000 ? [n / 1000, "kB"] : [n / 1_000_000, "MB"];
  return `${size < 10 ? size.toFixed(1) : Math.round(size)} ${unit}`;
}
