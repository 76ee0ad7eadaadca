/**
 * The terminal makes `<style>` elements and `style` attributes, which the page's content security policy forbids. It
 * can be given a document of its own; this one makes the same things by the means that the policy allows: style
 * sheets that are adopted, and properties that are set. So the policy stays as it is.
 */
export function styledDocument(): Document {
  const real = document;
  return new Proxy(real, {
    get(target, name) {
      if (name === 'createElement')
        return (tag: string) => (tag === 'style' ? adoptedStyle(real) : withStyles(real.createElement(tag)));
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

/**
 * Does something during which the page's own document makes styles in that way too: one part of the terminal takes it,
 * whatever document it was given.
 */
export function withOwnStyles(work: () => void): void {
  const real = document;
  const { createElement } = Document.prototype;
  Object.defineProperty(real, 'createElement', {
    configurable: true,
    value: (tag: string) =>
      tag === 'style' ? adoptedStyle(real, createElement) : createElement.call(real, tag),
  });
  try {
    work();
  } finally {
    Reflect.deleteProperty(real, 'createElement');
  }
}

/** An element that stands where a `<style>` would, and whose text is an adopted sheet. */
function adoptedStyle(owner: Document, createElement = Document.prototype.createElement): HTMLElement {
  const element: HTMLElement = createElement.call(owner, 'span');
  element.hidden = true;
  const sheet = new CSSStyleSheet();
  owner.adoptedStyleSheets = [...owner.adoptedStyleSheets, sheet];
  Object.defineProperty(element, 'textContent', {
    get: () => '',
    set: (text: string) => sheet.replaceSync(text),
  });
  element.remove = () => {
    owner.adoptedStyleSheets = owner.adoptedStyleSheets.filter((other) => other !== sheet);
    Element.prototype.remove.call(element);
  };
  return element;
}

function withStyles<E extends HTMLElement>(element: E): E {
  element.setAttribute = (name: string, value: string) => {
    if (name === 'style') element.style.cssText = value;
    else Element.prototype.setAttribute.call(element, name, value);
  };
  return element;
}
