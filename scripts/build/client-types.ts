import ts from 'typescript';
import { exportsOf } from './exports.ts';

const FLAGS =
  ts.TypeFormatFlags.NoTruncation |
  ts.TypeFormatFlags.InTypeAlias |
  ts.TypeFormatFlags.UseSingleQuotesForStringLiteralType |
  ts.TypeFormatFlags.MultilineObjectLiterals;

/**
 * Declarations of everything that `entry` exports, in one text that imports nothing: what zod infers is written out,
 * so that who uses the package needs neither zod nor our sources. @throws when a type would need an import.
 */
export function standaloneTypes(entry: string): string {
  const { checker, symbols } = exportsOf(entry);
  const parts = symbols.map(({ name, symbol }) => {
    if (symbol.flags & ts.SymbolFlags.Class) return classText(checker, symbol, name);
    // Interfaces name nothing that is not exported beside them; what zod infers is an alias.
    if (symbol.flags & ts.SymbolFlags.Interface) return `${docOf(checker, symbol)}${textOf(symbol)}`;
    return `${docOf(checker, symbol)}export type ${name} = ${checker.typeToString(checker.getDeclaredTypeOfSymbol(symbol), undefined, FLAGS)};`;
  });
  const text = `${parts.join('\n\n')}\n`;
  const foreign = /\bimport\(|\bz\.\w+|\bZod\w+/.exec(text);
  if (foreign !== null) throw new Error(`the types of ${entry} would need ${foreign[0]}`);
  return text;
}

function textOf(symbol: ts.Symbol): string {
  const text = symbol.declarations?.[0]?.getText() ?? '';
  return text.startsWith('export ') ? text : `export ${text}`;
}

function classText(checker: ts.TypeChecker, symbol: ts.Symbol, name: string): string {
  const declaration = symbol.valueDeclaration;
  if (declaration === undefined || !ts.isClassDeclaration(declaration))
    throw new Error(`${name} is no class`);
  const base = declaration.heritageClauses?.[0]?.types[0]?.expression.getText();
  const lines: string[] = [];
  const print = (type: ts.Type) =>
    checker.typeToString(type, undefined, FLAGS & ~ts.TypeFormatFlags.InTypeAlias);
  const constructors = checker.getTypeOfSymbol(symbol).getConstructSignatures();
  for (const signature of constructors)
    if (signature.declaration?.parent === declaration)
      lines.push(`constructor(${parametersOf(checker, signature, declaration, print)});`);
  for (const member of checker.getPropertiesOfType(checker.getDeclaredTypeOfSymbol(symbol))) {
    const at = member.valueDeclaration;
    const named = at !== undefined && ts.isClassElement(at) ? at.name : undefined;
    if (at?.parent !== declaration || named === undefined || ts.isPrivateIdentifier(named)) continue;
    const type = checker.getTypeOfSymbolAtLocation(member, declaration);
    const [signature] = type.getCallSignatures();
    const doc = docOf(checker, member);
    if (signature === undefined) lines.push(`${doc}readonly ${member.name}: ${print(type)};`);
    else
      lines.push(
        `${doc}${member.name}(${parametersOf(checker, signature, declaration, print)}): ${print(signature.getReturnType())};`,
      );
  }
  const body = lines.join('\n').replaceAll(/^/gm, '  ');
  return `${docOf(checker, symbol)}export declare class ${name}${base === undefined ? '' : ` extends ${base}`} {\n${body}\n}`;
}

function parametersOf(
  checker: ts.TypeChecker,
  signature: ts.Signature,
  at: ts.Node,
  print: (type: ts.Type) => string,
): string {
  return signature.parameters
    .map((parameter) => {
      const declared = parameter.valueDeclaration;
      const optional =
        declared !== undefined &&
        ts.isParameter(declared) &&
        (declared.questionToken ?? declared.initializer);
      return `${parameter.name}${optional ? '?' : ''}: ${print(checker.getTypeOfSymbolAtLocation(parameter, at))}`;
    })
    .join(', ');
}

function docOf(checker: ts.TypeChecker, symbol: ts.Symbol): string {
  const text = ts.displayPartsToString(symbol.getDocumentationComment(checker));
  return text === '' ? '' : `/** ${text.replaceAll('\n', '\n * ')} */\n`;
}
