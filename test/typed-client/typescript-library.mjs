/**
 * `openapi-typescript` asks TypeScript 5 for its syntax trees, which the project's own TypeScript, a compiler alone, cannot
 * give. It gets the one that `@ts-morph/common` brings along: another `typescript` in `node_modules` would fight over `tsc`.
 */
import { registerHooks } from 'node:module';

registerHooks({
  resolve: (name, context, next) => next(name === 'typescript' ? '@ts-morph/common/dist/typescript.js' : name, context),
});
