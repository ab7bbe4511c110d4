import { serverSettings } from '../src/config.ts';
import type { Kind } from '../src/setting-kinds.ts';

/** Those that the chart or its image sets: where probes and service do not find it, the server serves nobody. */
const ofTheChart: readonly string[] = ['SENTLOG_HOST', 'SENTLOG_PORT', 'SENTLOG_DATA_DIR', 'SENTLOG_STORE'];

/** What the schema of the chart's values says of the variables in `env`: each setting by its name, with the form of its texts. */
export function chartSettings(): object {
  const settings = Object.values(serverSettings).filter(({ env }) => !ofTheChart.includes(env));
  return {
    type: 'object',
    additionalProperties: false,
    properties: Object.fromEntries(settings.map(({ env, kind }) => [env, schemaOf(kind)])),
    patternProperties: { '^(OTEL|NODE)_[A-Z0-9_]+$': { type: ['string', 'boolean'] } },
    description:
      'Numbers stand in quotes, or come by --set-string: Helm would write 1000000 as 1e+06. So do on and off.',
  };
}

function schemaOf({ choices, pattern }: Pick<Kind<unknown>, 'choices' | 'pattern'>): object {
  if (choices !== undefined) return { enum: choices };
  return { type: 'string', ...(pattern !== undefined && { pattern: pattern.source }) };
}
