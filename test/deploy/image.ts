import { cpSync, mkdirSync, readFileSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { Copy, DockerfileParser, Healthcheck, type Instruction, JSONInstruction } from 'dockerfile-ast';

export const root = join(import.meta.dirname, '../..');
export const dockerfile = readFileSync(join(root, 'deploy/Dockerfile'), 'utf8');

const instructions = DockerfileParser.parse(dockerfile).getInstructions();
const wordsOf = (instruction: Instruction) => instruction.getArguments().map(argument => argument.getValue());
const named = (keyword: string) => instructions.filter(one => one.getKeyword() === keyword);

/** The words of a command that is written as a list. */
function listOf(instruction: Instruction | undefined): readonly string[] {
  if (!(instruction instanceof JSONInstruction)) throw new TypeError('not a command written as a list');
  return instruction.getJSONStrings().map(one => one.getJSONValue());
}

/** What containers are started with. */
export const image = {
  env: Object.fromEntries(
    named('ENV')
      .flatMap(wordsOf)
      .map(word => word.split('=', 2)),
  ) as Record<string, string>,
  user: named('USER').flatMap(wordsOf).at(-1),
  ports: named('EXPOSE').flatMap(wordsOf),
  entrypoint: listOf(named('ENTRYPOINT').at(-1)),
  command: listOf(named('CMD').at(-1)),
  health: named('HEALTHCHECK')
    .filter(one => one instanceof Healthcheck)
    .map(one => one.getArgumentsContent())
    .map((text): readonly string[] => JSON.parse((text ?? '').replace(/^.*?CMD /, ''))),
  bases: named('FROM').map(one => wordsOf(one)[0] ?? ''),
};

const ignoreLines = readFileSync(join(root, '.dockerignore'), 'utf8').split('\n');

/** What of the project a build is given: paths, and paths below them that are left out. */
export const context = {
  sent: ignoreLines.filter(line => line.startsWith('!')).map(line => line.slice(1)),
  leftOut: ignoreLines.filter(line => /^[^!#*]/.test(line)),
};

/** What is copied out of the project. */
export const sources = named('COPY')
  .filter(one => one instanceof Copy)
  .filter(one => one.getFlags().every(flag => flag.getName() !== 'from'))
  .flatMap(one => wordsOf(one).slice(0, -1));

/** How a RUN is done in a folder that stands for a stage; what npm would fetch is taken from this clone. */
type Steps = Readonly<Record<string, (stage: string, workdir: string) => Promise<void> | void>>;

/** Does the steps of every stage in folders below `folder`, and gives the folder of the last. */
export async function build(folder: string, steps: Steps): Promise<string> {
  const stages = new Map<string, string>();
  let [stage, workdir] = ['', ''];
  for (const [i, instruction] of instructions.entries()) {
    const words = wordsOf(instruction);
    switch (instruction.getKeyword()) {
      case 'FROM':
        stage = join(folder, `stage-${i}`);
        stages.set(words[2] ?? '', stage);
        break;
      case 'WORKDIR':
        workdir = join(stage, words[0] ?? '');
        mkdirSync(workdir, { recursive: true });
        break;
      case 'COPY': {
        const from = /--from=(\w+)/.exec(instruction.getTextContent())?.[1];
        const origin = from === undefined ? root : (stages.get(from) ?? `no stage ${from}`);
        copy(origin, words.slice(0, -1), workdir, words.at(-1) ?? '');
        break;
      }
      case 'RUN': {
        const step = steps[words.join(' ')];
        if (step === undefined) throw new Error(`no way is known to do: RUN ${words.join(' ')}`);
        await step(stage, workdir);
      }
    }
  }
  return stage;
}

/** As COPY does: of a folder what is in it, of a file the file. */
function copy(origin: string, from: readonly string[], workdir: string, to: string): void {
  for (const path of from) {
    const source = join(origin, path);
    const target = statSync(source).isDirectory() ? join(workdir, to) : join(workdir, to, basename(path));
    const filter = (one: string) => !context.leftOut.some(path => one === join(root, path));
    cpSync(source, target, { recursive: true, verbatimSymlinks: true, filter });
  }
}
