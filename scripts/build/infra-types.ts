import ts from 'typescript';
import { exportsOf } from './exports.ts';

/**
 * Declarations of what `entry` exports, as it is written in the sources: interfaces, and classes without what is
 * private to them. They name `@pulumi/pulumi` alone, which whoever uses them has.
 */
export function infraTypes(entry: string): string {
  const parts = exportsOf(entry).symbols.map(({ name, symbol }) => {
    const [declaration] = symbol.declarations ?? [];
    if (declaration !== undefined && ts.isInterfaceDeclaration(declaration)) return textOf(declaration);
    if (declaration !== undefined && ts.isClassDeclaration(declaration)) return classText(declaration);
    throw new Error(`${name} is neither an interface nor a class`);
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
