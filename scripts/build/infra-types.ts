import { join } from 'node:path';
import ts from 'typescript';
import { ROOT } from '../lib/root.ts';

/**
 * Declarations of what `entry` exports, as it is written in the sources: interfaces, and classes without what is
 * private to them. They name `@pulumi/pulumi` alone, which whoever uses them has.
 */
export function infraTypes(entry: string): string {
  const config = ts.readConfigFile(join(ROOT, 'tsconfig.json'), (path) => ts.sys.readFile(path));
  const { options } = ts.convertCompilerOptionsFromJson(
    (config.config as { compilerOptions: object }).compilerOptions,
    ROOT,
  );
  const program = ts.createProgram([join(ROOT, entry)], options);
  const checker = program.getTypeChecker();
  const source = program.getSourceFile(join(ROOT, entry));
  const module = source && checker.getSymbolAtLocation(source);
  if (module === undefined) throw new Error(`${entry} exports nothing`);
  const parts = checker.getExportsOfModule(module).map((exported) => {
    const symbol =
      (exported.flags & ts.SymbolFlags.Alias) === 0 ? exported : checker.getAliasedSymbol(exported);
    const [declaration] = symbol.declarations ?? [];
    if (declaration !== undefined && ts.isInterfaceDeclaration(declaration)) return textOf(declaration);
    if (declaration !== undefined && ts.isClassDeclaration(declaration)) return classText(declaration);
    throw new Error(`${exported.name} is neither an interface nor a class`);
  });
  return `import type * as pulumi from '@pulumi/pulumi';\n\n${parts.join('\n\n')}\n`;
}

/** With the comment above it. */
const textOf = (node: ts.Node): string => {
  const text = node.getFullText().trim();
  const comments = ts.getLeadingCommentRanges(node.getFullText(), 0) ?? [];
  const last = comments.at(-1);
  return last === undefined ? text : node.getFullText().slice(last.pos).trim();
};

function classText(node: ts.ClassDeclaration): string {
  const members = node.members.flatMap((member) => {
    if (ts.isConstructorDeclaration(member))
      return [`constructor(${member.parameters.map((parameter) => parameter.getText()).join(', ')});`];
    if (ts.isPropertyDeclaration(member) && !ts.isPrivateIdentifier(member.name)) return [textOf(member)];
    return [];
  });
  const [base] = node.heritageClauses?.[0]?.types ?? [];
  const doc = ts.getLeadingCommentRanges(node.getFullText(), 0)?.at(-1);
  const comment = doc === undefined ? '' : `${node.getFullText().slice(doc.pos, doc.end)}\n`;
  const body = members.map((member) => `  ${member}`).join('\n');
  return `${comment}export declare class ${node.name?.text} extends ${base?.getText()} {\n${body}\n}`;
}
