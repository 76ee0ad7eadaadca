import { readFileSync } from 'node:fs';
import type { Plugin } from 'esbuild';

const FROM = '.setAttribute("style",';

/**
 * The terminal writes colours as `style` attributes, which the page's content security policy forbids; as properties it
 * allows them. One place of its code does it; a version that does otherwise fails the build.
 */
export const xtermStyles: Plugin = {
  name: 'xterm-styles',
  setup(build) {
    build.onLoad({ filter: /\/@xterm\/xterm\/lib\/xterm\.mjs$/ }, ({ path }) => {
      const text = readFileSync(path, 'utf8');
      if (text.split(FROM).length !== 2)
        throw new Error(`${path} writes styles in another way than expected`);
      // The receiver is one name, as minified code has it.
      const contents = text.replace(/(\w+)\.setAttribute\("style",/, 'setStyleText($1,');
      return {
        contents: `const setStyleText = (element, text) => { element.style.cssText = text; };\n${contents}`,
        loader: 'js',
      };
    });
  },
};
