import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';

/** One statement on tables of the store, as it stands in the sources. */
export interface Query {
  path: string;
  line: number;
  /** The tables that it reads or changes. */
  tables: readonly string[];
  /** The whole expression that belongs to it. */
  text: string;
}

const STARTS = new Set(['selectFrom', 'updateTable', 'deleteFrom', 'insertInto']);
const JOINS = new Set(['innerJoin', 'leftJoin', 'rightJoin', 'fullJoin']);

/** `agents` of `'agents as a'`. */
const tableOf = (argument: ts.Expression | undefined): string[] =>
  argument !== undefined && ts.isStringLiteralLike(argument) ? [argument.text.split(' ')[0] ?? ''] : [];

const methodOf = (node: ts.Node): string | undefined =>
  ts.isCallExpression(node) && ts.isPropertyAccessExpression(node.expression)
    ? node.expression.name.text
    : undefined;

/** The end of the chain of calls that begins with this one. */
function wholeChain(call: ts.Node): ts.Node {
  let node = call;
  while (
    (ts.isPropertyAccessExpression(node.parent) || ts.isCallExpression(node.parent)) &&
    node.parent.expression === node
  )
    node = node.parent;
  return node;
}

/** Every query in a file: a chain of calls that begins with a table. */
export function queriesOf(path: string, text: string): Query[] {
  const file = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true);
  const found: Query[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isCallExpression(node) && STARTS.has(methodOf(node) ?? '')) {
      const chain = wholeChain(node);
      const tables = new Set(tableOf(node.arguments[0]));
      for (let at: ts.Node = node; at !== chain; at = at.parent)
        if (ts.isCallExpression(at.parent) && JOINS.has(methodOf(at.parent) ?? ''))
          for (const table of tableOf(at.parent.arguments[0])) tables.add(table);
      found.push({
        path,
        line: file.getLineAndCharacterOfPosition(node.expression.end).line + 1,
        tables: [...tables],
        text: chain.getText(file),
      });
    }
    ts.forEachChild(node, visit);
  };
  visit(file);
  return found;
}

/** Tables with a column `organization_id`, from the types of the store: `Tables`, and the parts that it is made of. */
export function tenantTables(root: string): Set<string> {
  const tables = new Set<string>();
  for (const path of globSync('orchestrator/store/tables*.ts', { cwd: root })) {
    const text = readFileSync(join(root, path), 'utf8');
    const file = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true);
    for (const statement of file.statements) {
      if (!ts.isInterfaceDeclaration(statement) || !/^\w*Tables$/.test(statement.name.text)) continue;
      for (const table of statement.members) {
        if (!ts.isPropertySignature(table) || !table.type || !ts.isTypeLiteralNode(table.type)) continue;
        if (table.type.members.some((column) => column.name?.getText(file) === 'organization_id'))
          tables.add(table.name.getText(file));
      }
    }
  }
  return tables;
}
