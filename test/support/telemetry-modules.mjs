/*
 * Loaded before the program: says at its end how many modules of OpenTelemetry it loaded; none can be, where they are to be
 * missing. Its API is not among them: that is interfaces alone, and prom-client loads it.
 */
import { writeSync } from 'node:fs';
import { registerHooks } from 'node:module';

let loaded = 0;

registerHooks({
  resolve(specifier, context, next) {
    if (process.env.WITHOUT_TELEMETRY !== undefined && /^@opentelemetry\/(?!api$)/.test(specifier))
      throw Object.assign(new Error(`Cannot find package '${specifier}'`), { code: 'ERR_MODULE_NOT_FOUND' });
    return next(specifier, context);
  },
  load(url, context, next) {
    if (/\/@opentelemetry\/(?!api\/)/.test(url)) loaded++;
    return next(url, context);
  },
});

process.on('exit', () => writeSync(process.stdout.fd, `telemetry modules: ${loaded}\n`));
