import { join } from 'node:path';
import ts from 'typescript';
import { ROOT } from '../lib/root.ts';

/** What `entry` (a path in the checkout) exports, by the name that it is exported under, aliases followed. */
export function exportsOf(entry: string): {
  checker: ts.TypeChecker;
  symbols: readonly { name: string; symbol: ts.Symbol }[];
} {
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
  const symbols = checker.getExportsOfModule(module).map((exported) => ({
    name: exported.name,
    symbol: (exported.flags & ts.SymbolFlags.Alias) === 0 ? exported : checker.getAliasedSymbol(exported),
  }));
  return { checker, symbols };
}
