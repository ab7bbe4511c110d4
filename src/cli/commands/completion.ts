import { Argument, type Command, type Option } from 'commander';
import { deliveryErrors } from '../../domain/registry.ts';
import { print, shellQuoted as quoted } from '../terminal.ts';

/** One command as a shell completes it: `path` is the words that lead to it, none for the program itself. */
type Entry = {
  readonly path: string;
  readonly commands: readonly { readonly name: string; readonly description: string }[];
  readonly options: readonly Option[];
  /** What may stand as its argument, where only some words may. */
  readonly words: readonly string[];
};

/** Of flags that take any value, those that are known: more than their help could name. */
const suggested: Readonly<Record<string, () => string[]>> = {
  '--error-name': () => deliveryErrors.map(({ name }) => name),
  '--not-error-name': () => deliveryErrors.map(({ name }) => name),
  '--time-zone': () => ['UTC', ...Intl.supportedValuesOf('timeZone').filter(zone => zone !== 'UTC')],
};
const accountFlag = '--account';
/** Commands whose argument is the name of an account that is there. */
const onAccount = 'accounts set';

const shells = { bash: bashScript, zsh: zshScript, fish: fishScript };
type Shell = keyof typeof shells;
const isShell = (name: string): name is Shell => Object.hasOwn(shells, name);

/** `whole` gives the program with all of its commands. */
export function addCompletion(program: Command, whole: () => Promise<Command>): void {
  program
    .command('completion')
    .description(
      'Print what has a shell complete commands and flags: `source <(sentlog completion bash)`, the same for zsh, `sentlog completion fish | source`.',
    )
    .addArgument(new Argument('<shell>', 'which').choices(Object.keys(shells)))
    .action(async (shell: string) => {
      if (isShell(shell)) await print(shells[shell](entriesOf(await whole())));
    });
}

export function entriesOf(program: Command, path = ''): readonly Entry[] {
  const help = program.createHelp();
  const commands = help.visibleCommands(program).filter(command => command.name() !== 'help');
  const entry: Entry = {
    path,
    commands: commands.map(command => ({ name: command.name(), description: firstSentence(command.description()) })),
    options: help.visibleOptions(program),
    words: program.registeredArguments.flatMap(({ argChoices }) => argChoices ?? []),
  };
  return [
    entry,
    ...commands.flatMap(command => entriesOf(command, path === '' ? command.name() : `${path} ${command.name()}`)),
  ];
}

const firstSentence = (text: string) => text.split(/(?<=[.:])\s/)[0]?.replace(/[.:]$/, '') ?? '';
const flagsOf = ({ short, long }: Option) => [short, long].filter(flag => flag !== undefined);
const takesValue = ({ required, optional }: Option) => required || optional;
const wordsOf = ({ commands, options, words }: Entry) => [
  ...commands.map(({ name }) => name),
  ...words,
  ...options.flatMap(flagsOf),
];
/** What leads from a command to the next: its words, as patterns of a `case`. */
function stepsOf(entries: readonly Entry[]): string {
  return entries
    .filter(({ path }) => path !== '')
    .map(({ path }) => quoted(path.includes(' ') ? path : ` ${path}`))
    .join(' | ');
}

type Valued = {
  readonly patterns: string;
  readonly choices: readonly string[];
  /** The names of accounts, which the shell asks for when they are needed. */
  readonly areAccounts: boolean;
};

function choicesOf({ long = '', argChoices = suggested[long]?.() ?? [] }: Option): readonly string[] {
  return argChoices;
}

/** The flags after which a value stands, by the values that there are; of most there may be any. */
function valuesOf(entries: readonly Entry[]): readonly Valued[] {
  const byChoices = new Map<string, string[]>();
  for (const { path, options } of entries)
    for (const option of options.filter(takesValue)) {
      const choices = option.long === accountFlag ? accountFlag : choicesOf(option).join(' ');
      const patterns = flagsOf(option).map(flag => quoted(`${path} ${flag}`));
      byChoices.set(choices, [...(byChoices.get(choices) ?? []), ...patterns]);
    }
  return [...byChoices].map(([choices, patterns]) => ({
    patterns: patterns.join(' | '),
    choices: choices === '' || choices === accountFlag ? [] : choices.split(' '),
    areAccounts: choices === accountFlag,
  }));
}

function bashScript(entries: readonly Entry[]): string {
  const values = valuesOf(entries).map(({ patterns, choices, areAccounts }) =>
    areAccounts
      ? `    ${patterns}) COMPREPLY=(); _sentlog_accounts; return ;;`
      : `    ${patterns}) COMPREPLY=(${choices.length === 0 ? '' : `$(compgen -W ${quoted(choices.join(' '))} -- "$current")`}); return ;;`,
  );
  return `# Completion of sentlog for bash: source <(sentlog completion bash)
# As they stand: compgen would run what a name has in it for a shell.
_sentlog_accounts() {
  local current="\${COMP_WORDS[COMP_CWORD]}" place=() name i
  for ((i = 1; i + 1 < COMP_CWORD; i++)); do
    case "\${COMP_WORDS[i]}" in --data-dir | --store) place+=("\${COMP_WORDS[i]}" "\${COMP_WORDS[i + 1]}") ;; esac
  done
  while IFS= read -r name; do
    [[ $name == "$current"* ]] && COMPREPLY+=("$(printf %q "$name")")
  done < <("\${COMP_WORDS[0]}" accounts list --names "\${place[@]}" 2>/dev/null </dev/null)
}
_sentlog() {
  local current="\${COMP_WORDS[COMP_CWORD]}" at="" words="" i
  for ((i = 1; i < COMP_CWORD; i++)); do
    case "$at \${COMP_WORDS[i]}" in
    ${stepsOf(entries)}) at="\${at:+$at }\${COMP_WORDS[i]}" ;;
    esac
  done
  case "$at \${COMP_WORDS[COMP_CWORD - 1]}" in
${values.join('\n')}
  esac
  case "$at" in
${entries.map(entry => `    ${quoted(entry.path)}) words=${quoted(wordsOf(entry).join(' '))} ;;`).join('\n')}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
  [[ $at == ${quoted(onAccount)} ]] && _sentlog_accounts
}
complete -o default -F _sentlog sentlog
`;
}

function zshScript(entries: readonly Entry[]): string {
  const offered = ({ choices, areAccounts }: Valued) => {
    if (areAccounts) return '_sentlog_accounts';
    return choices.length === 0 ? '_files' : `compadd -- ${choices.map(quoted).join(' ')}`;
  };
  const values = valuesOf(entries).map(value => `    ${value.patterns}) ${offered(value)}; return ;;`);
  return `#compdef sentlog
# Completion of sentlog for zsh: source <(sentlog completion zsh)
_sentlog_accounts() {
  local place=() i
  for ((i = 2; i + 1 < CURRENT; i++)); do
    case "$words[i]" in --data-dir | --store) place+=("\${(Q)words[i]}" "\${(Q)words[i+1]}") ;; esac
  done
  compadd -- \${(f)"$("\${(Q)words[1]}" accounts list --names $place 2>/dev/null </dev/null)"}
}
_sentlog() {
  local at="" i
  for ((i = 2; i < CURRENT; i++)); do
    case "$at $words[i]" in
    ${stepsOf(entries)}) at="\${at:+$at }$words[i]" ;;
    esac
  done
  case "$at $words[CURRENT-1]" in
${values.join('\n')}
  esac
  case "$at" in
${entries.map(entry => `    ${quoted(entry.path)}) compadd -- ${wordsOf(entry).map(quoted).join(' ')} ;;`).join('\n')}
  esac
  [[ $at == ${quoted(onAccount)} ]] && _sentlog_accounts
  [[ $words[CURRENT] == -* ]] || _files
}
compdef _sentlog sentlog
`;
}

function fishScript(entries: readonly Entry[]): string {
  const fishQuoted = (text: string) => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
  const lines = entries.flatMap(({ path, commands, options, words }) => {
    const where = `complete -c sentlog -n ${fishQuoted(`__sentlog_at ${fishQuoted(path)}`)}`;
    return [
      ...commands.map(({ name, description }) => `${where} -f -a ${fishQuoted(name)} -d ${fishQuoted(description)}`),
      ...words.map(word => `${where} -f -a ${fishQuoted(word)}`),
      ...(path === onAccount ? [`${where} -f -a '(__sentlog_accounts)'`] : []),
      ...options.map(option => {
        const names = `${option.short === undefined ? '' : ` -s ${option.short.slice(1)}`}${option.long === undefined ? '' : ` -l ${option.long.slice(2)}`}`;
        const words = option.long === accountFlag ? '(__sentlog_accounts)' : choicesOf(option).join(' ');
        const choices = words === '' ? '' : ` -f -a ${fishQuoted(words)}`;
        const value = takesValue(option) ? ` -r${choices}` : '';
        return `${where}${names}${value} -d ${fishQuoted(firstSentence(option.description))}`;
      }),
    ];
  });
  return `# Completion of sentlog for fish: sentlog completion fish | source
function __sentlog_at
  set -l at ''
  for word in (commandline -opc)[2..]
    switch "$at $word"
      case ${stepsOf(entries).replaceAll(' | ', ' ')}
        set at (string trim "$at $word")
    end
  end
  test "$at" = "$argv[1]"
end
function __sentlog_accounts
  set -l words (commandline -opc)
  set -l place
  for i in (seq 2 (math (count $words) - 1))
    switch $words[$i]
      case --data-dir --store
        set -a place $words[$i] $words[(math $i + 1)]
    end
  end
  $words[1] accounts list --names $place 2>/dev/null </dev/null
end
${lines.join('\n')}
`;
}
