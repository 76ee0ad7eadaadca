import { readdirSync, readFileSync } from 'node:fs';
import { join, posix } from 'node:path';
import ts from 'typescript';

/** What the rules look at in one source file. Paths are relative to the root, with `/`. */
export interface Source {
  readonly path: string;
  readonly lines: number;
  /** Files of ours that it imports, resolved. `typeOnly` imports vanish at run time. */
  readonly imports: readonly { readonly target: string; readonly line: number; readonly typeOnly: boolean }[];
  /** Packages and `node:` modules that it imports, as written. */
  readonly packages: readonly { readonly name: string; readonly line: number }[];
  /** Calls and settings that a rule may ban: `Date.now`, `setTimeout`, `new Date()`, `rejectUnauthorized: false` … */
  readonly uses: readonly { readonly what: string; readonly line: number }[];
}

const SKIPPED = new Set(['node_modules', 'dist', 'coverage']);

/** Reads every .ts and .mts file under `root`, except what was built, installed, or hidden. */
export function readSources(root: string): Source[] {
  const found: string[] = [];
  const walk = (folder: string) => {
    for (const entry of readdirSync(join(root, folder), { withFileTypes: true })) {
      if (entry.name.startsWith('.') || SKIPPED.has(entry.name)) continue;
      const path = posix.join(folder, entry.name);
      if (entry.isDirectory()) walk(path);
      else if (/\.m?ts$/.test(entry.name)) found.push(path);
    }
  };
  walk('.');
  return found.sort().map((path) => parseSource(path, readFileSync(join(root, path), 'utf8')));
}

/** Parses one file with TypeScript's own parser, so that comments and strings are never taken for code. */
export function parseSource(path: string, text: string): Source {
  const file = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, false);
  const imports: { target: string; line: number; typeOnly: boolean }[] = [];
  const packages: { name: string; line: number }[] = [];
  const uses: { what: string; line: number }[] = [];
  const lineOf = (node: ts.Node) =>
    ts.getLineAndCharacterOfPosition(file, node.pos + leading(text, node)).line + 1;

  const addImport = (specifier: ts.Node | undefined, typeOnly: boolean) => {
    if (!specifier || !ts.isStringLiteralLike(specifier)) return;
    const line = lineOf(specifier);
    if (!specifier.text.startsWith('.')) packages.push({ name: specifier.text, line });
    else imports.push({ target: posix.join(posix.dirname(path), specifier.text), line, typeOnly });
  };

  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node)) {
      addImport(node.moduleSpecifier, node.importClause?.phaseModifier === ts.SyntaxKind.TypeKeyword);
    } else if (ts.isExportDeclaration(node)) addImport(node.moduleSpecifier, node.isTypeOnly);
    else if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument))
      addImport(node.argument.literal, true);
    else if (ts.isCallExpression(node)) {
      if (node.expression.kind === ts.SyntaxKind.ImportKeyword) addImport(node.arguments[0], false);
      else uses.push({ what: calleeName(node.expression), line: lineOf(node) });
    } else if (
      ts.isNewExpression(node) &&
      calleeName(node.expression) === 'Date' &&
      !node.arguments?.length
    ) {
      uses.push({ what: 'new Date()', line: lineOf(node) });
    } else if (ts.isPropertyAssignment(node) && node.initializer.kind === ts.SyntaxKind.FalseKeyword) {
      if (ts.isIdentifier(node.name) || ts.isStringLiteral(node.name)) {
        uses.push({ what: `${node.name.text}: false`, line: lineOf(node) });
      }
    }
    ts.forEachChild(node, visit);
  };
  visit(file);
  return { path, lines: text.split('\n').length - 1, imports, packages, uses };
}

/** `a.b.c` for a chain of plain names, else what can be told of it. */
function calleeName(node: ts.Expression): string {
  if (ts.isIdentifier(node)) return node.text;
  if (ts.isPropertyAccessExpression(node)) return `${calleeName(node.expression)}.${node.name.text}`;
  return '?';
}

function leading(text: string, node: ts.Node): number {
  return text.slice(node.pos, node.end).search(/\S/);
}
