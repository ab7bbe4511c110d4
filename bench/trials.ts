import type { Case, Outcome } from './cases/case.ts';
import type { DriverName } from './server/messages.ts';

/** A driver over one log, as a case runs on it. */
export type Participant = {
  readonly driver: DriverName;
  readonly messages: number;
  run(round: number): Promise<Outcome>;
};

/** What one figure came to on one participant, a value for each round. */
export type Measurement = {
  readonly figure: string;
  readonly driver: DriverName;
  readonly messages: number;
  readonly values: readonly number[];
};

/**
 * Runs a case on every participant in every round, in an order that turns round each time, so that neither a machine
 * that warms up nor one that tires favours any of them. Throws when a figure is missing, or answers differ.
 */
export async function measure(
  one: Pick<Case, 'name' | 'figures'>,
  participants: readonly Participant[],
  rounds: number,
): Promise<readonly Measurement[]> {
  const values = new Map(participants.map(participant => [participant, new Map<string, number[]>()]));
  for (let round = 0; round < rounds; round++) {
    const answers: Answers[] = [];
    for (const participant of round % 2 === 0 ? participants : participants.toReversed()) {
      const outcome = await participant.run(round);
      const own = values.get(participant);
      for (const { name } of one.figures) {
        const value = outcome.figures[name];
        if (value === undefined || !Number.isFinite(value))
          throw new Error(`${one.name} on ${participant.driver} gave no figure for ${name}`);
        own?.set(name, [...(own.get(name) ?? []), value]);
      }
      if (outcome.answers !== undefined) answers.push({ driver: participant.driver, byName: outcome.answers });
    }
    compare(one.name, answers);
  }
  return participants.flatMap(participant =>
    one.figures.map(({ name }) => ({
      figure: name,
      driver: participant.driver,
      messages: participant.messages,
      values: values.get(participant)?.get(name) ?? [],
    })),
  );
}

type Answers = { readonly driver: DriverName; readonly byName: Readonly<Record<string, string>> };

function compare(name: string, [first, ...others]: readonly Answers[]): void {
  if (first === undefined) return;
  for (const other of others)
    for (const question of new Set([...Object.keys(first.byName), ...Object.keys(other.byName)]))
      if (first.byName[question] !== other.byName[question])
        throw new Error(`${name}: ${first.driver} and ${other.driver} answer ${question} differently`);
}
