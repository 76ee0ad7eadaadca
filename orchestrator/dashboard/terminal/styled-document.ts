/**
 * Does something during which the page's document makes adopted style sheets where it is asked for `<style>` elements,
 * which the page's content security policy forbids. So the policy stays as it is on this page too.
 */
export function withAdoptedStyles(work: () => void): void {
  const { createElement } = Document.prototype;
  Object.defineProperty(document, 'createElement', {
    configurable: true,
    value: (tag: string) =>
      tag === 'style' ? adoptedStyle(createElement) : createElement.call(document, tag),
  });
  try {
    work();
  } finally {
    Reflect.deleteProperty(document, 'createElement');
  }
}

/** An element that stands where a `<style>` would, and whose text is an adopted sheet. */
function adoptedStyle(createElement: typeof document.createElement): HTMLElement {
  const element: HTMLElement = createElement.call(document, 'span');
  element.hidden = true;
  const sheet = new CSSStyleSheet();
  document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];
  Object.defineProperty(element, 'textContent', {
    get: () => '',
    set: (text: string) => sheet.replaceSync(text),
  });
  element.remove = () => {
    document.adoptedStyleSheets = document.adoptedStyleSheets.filter((other) => other !== sheet);
    Element.prototype.remove.call(element);
  };
  return element;
}
