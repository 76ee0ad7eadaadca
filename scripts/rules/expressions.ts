import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';

/** A regular expression that stands in the product, and where. */
export interface Expression {
  readonly source: string;
  readonly flags: string;
  readonly path: string;
}

/** The parts of the product, whose texts come from others: peers, users, machines. */
const PRODUCT = [
  'agent',
  'base',
  'cli',
  'cloud-init',
  'infra',
  'orchestrator',
  'proof',
  'protocol',
  'provision',
];

/** Each literal, and each file that makes expressions of texts, which no reading of the source can judge. */
export function readExpressions(root: string): { literals: Expression[]; makers: string[] } {
  const literals: Expression[] = [];
  const makers = new Set<string>();
  for (const folder of PRODUCT)
    for (const name of readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })) {
      if (!/\.m?ts$/.test(name)) continue;
      const path = `${folder}/${name}`;
      const file = ts.createSourceFile(
        path,
        readFileSync(join(root, path), 'utf8'),
        ts.ScriptTarget.Latest,
        false,
      );
      const visit = (node: ts.Node): void => {
        if (ts.isRegularExpressionLiteral(node)) {
          const end = node.text.lastIndexOf('/');
          literals.push({ source: node.text.slice(1, end), flags: node.text.slice(end + 1), path });
        } else if (
          (ts.isNewExpression(node) || ts.isCallExpression(node)) &&
          ts.isIdentifier(node.expression) &&
          node.expression.text === 'RegExp'
        )
          makers.add(path);
        ts.forEachChild(node, visit);
      };
      visit(file);
    }
  return { literals, makers: [...makers].sort() };
}

/** What expressions are made with `new RegExp` while `work` runs. */
export async function expressionsMadeBy(work: () => unknown): Promise<RegExp[]> {
  const made: RegExp[] = [];
  const own = globalThis.RegExp;
  globalThis.RegExp = new Proxy(own, {
    construct(target, args, newTarget) {
      const expression = Reflect.construct(
        target,
        args,
        newTarget === globalThis.RegExp ? target : newTarget,
      );
      made.push(expression);
      return expression;
    },
  });
  try {
    await work();
  } finally {
    globalThis.RegExp = own;
  }
  return made;
}
