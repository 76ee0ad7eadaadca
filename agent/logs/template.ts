const VARIES = '<*>';

/** In this order: what is more particular first. Each is linear in the text. */
const MASKS: readonly RegExp[] = [
  /\d{4}[-/]\d{2}[-/]\d{2}[T ]\d{2}:\d{2}:\d{2}\S*/g,
  /\b[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}\b/g,
  /\b\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}(?::\d+)?\b/g,
  /\b(?:[0-9a-fA-F]{1,4}:){3,7}[0-9a-fA-F:]{1,9}\b/g,
  /"[^"]{0,500}"|'[^']{0,500}'/g,
  /\b0x[0-9a-fA-F]+\b/g,
  /\b(?=[a-f]{0,64}\d)[0-9a-f]{8,64}\b/g,
  /\d+/g,
];

/** A message without what varies from one to the next: times, addresses, identifiers, quoted text, numbers. */
export function templateOf(message: string): string {
  let text = message.slice(0, 400);
  for (const mask of MASKS) text = text.replace(mask, VARIES);
  return text.replace(/(?:<\*>[.,:/-]?){2,}/g, VARIES).trim();
}
