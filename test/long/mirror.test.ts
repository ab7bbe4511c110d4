import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Pool } from 'undici';
import { expect, onTestFinished, test } from 'vitest';
import { deliveryJson, simulatedReport } from '../../simulator/webhooks.ts';
import type { LogCalls } from '../support/log-calls.ts';
import { hour, kept, MirrorSetup, mirrorKey, mirrorSecret, until } from '../support/mirror-setup.ts';
import { PostgresServer } from '../support/postgres-server.ts';
import type { Settings } from '../support/server-process.ts';
import { MountedDisk, smallDisks } from '../support/small-disk.ts';

const engines = ['embedded', 'PostgreSQL'] as const;

async function opened(engine: (typeof engines)[number]): Promise<MirrorSetup> {
  const setup = await MirrorSetup.open(engine === 'PostgreSQL' ? await overPostgres() : {});
  onTestFinished(() => setup.close());
  return setup;
}

async function overPostgres(): Promise<Settings> {
  const postgres = await PostgresServer.start();
  onTestFinished(() => postgres.remove());
  return { SENTLOG_STORE: await postgres.database() };
}

/** What a process and those that it started have used of a core until now, by Linux' count of hundredths. */
function cpuSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  const children = readdirSync(`/proc/${pid}/task`).flatMap(thread =>
    readFileSync(`/proc/${pid}/task/${thread}/children`, 'utf8')
      .split(' ')
      .filter(child => child !== ''),
  );
  const own = [11, 12, 13, 14].reduce((sum, at) => sum + Number(fields[at]), 0) / 100;
  return children.reduce((sum, child) => sum + cpuSeconds(Number(child)), own);
}

test.each(engines)(
  'killed twenty times while it catches up and follows, answers slow, cut, lost and refused (%s) → the other side, message by message',
  async engine => {
    const setup = await opened(engine);
    const sentlog = await setup.killWhileMirroring(20, 12_000, { slow: 0.7, cut: 0.03, lost: 0.03, unavailable: 0.03 });
    expect((await kept(setup.home.calls(sentlog))).size).toBe(12_000 + 20 * 40);
  },
);

test.each(smallDisks())(
  'the disk is full ($name) while it catches up → it waits, and then all is there',
  async ({ make }) => {
    const disk = make();
    onTestFinished(() => disk.remove());
    const setup = await MirrorSetup.open({}, disk.home);
    onTestFinished(() => setup.close());
    const mirror = { SENTLOG_MIRROR_FROM: setup.url, SENTLOG_MIRROR_KEY: mirrorKey };
    const settings = { ...disk.launch.settings, ...mirrorSecret, ...mirror, SENTLOG_MIRROR_REQUESTS_PER_MINUTE: '600' };
    const sentlog = await disk.home.serve({ ...disk.launch, settings });
    const calls = disk.home.calls(sentlog);
    const isReady = async () => (await calls.call('/health/ready')).status === 200;
    for (let more = 0; more < 40 && (await isReady()); more++) {
      setup.send(5000, 1000);
      const all = 5000 * (more + 1);
      await until(async () => !(await isReady()) || (await recorded(calls)) === all);
    }
    expect(await isReady()).toBe(false);
    disk.makeRoom(sentlog);
    await until(isReady);
    await setup.untilSame(sentlog);
  },
);

/** What a database does that has no room for another row; how often it did stays, whatever is undone. */
const outOfRoom = `
  CREATE SEQUENCE public.refused;
  CREATE FUNCTION public.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    PERFORM nextval('public.refused');
    RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = 'disk_full';
  END $$;
  DO $$ DECLARE name text; BEGIN
    FOREACH name IN ARRAY ARRAY['message', 'message_key', 'report', 'recording', 'mirror', 'mirror_followed', 'waiting_report'] LOOP
      EXECUTE format('CREATE TRIGGER refuse BEFORE INSERT OR UPDATE ON sentlog.%I FOR EACH ROW EXECUTE FUNCTION public.refuse()', name);
    END LOOP;
  END $$`;

test('the disk of the database is full while it catches up, and as it follows → it waits, and then all is there', async () => {
  const postgres = await PostgresServer.start();
  onTestFinished(() => postgres.remove());
  const url = await postgres.database();
  const setup = await MirrorSetup.open({ SENTLOG_STORE: url });
  onTestFinished(() => setup.close());
  const fill = async () => {
    await postgres.query(outOfRoom, url);
    setup.send(2000, 1000);
    await until(async () => {
      const [row] = await postgres.query('SELECT last_value::int AS count FROM public.refused', url);
      return Number(row?.count) > 5;
    });
    await postgres.query('DROP FUNCTION public.refuse CASCADE; DROP SEQUENCE public.refused', url);
  };
  setup.send(10_000, 10 * hour);
  const sentlog = await setup.home.serve();
  await setup.addMirror('--requests-per-minute', '600');
  await until(async () => (await recorded(setup.home.calls(sentlog))) > 0);
  await fill();
  await setup.untilSame(sentlog);
  await fill();
  await setup.untilSame(sentlog);
  expect(await setup.status()).toMatchObject({ state: 'following', gaps: [] });
});

test.skipIf(!MountedDisk.isAvailable)(
  'the disk of the database is really full, time and again, as it catches up, follows and is told by webhooks → what was answered is kept, and then all is there',
  async () => {
    const disk = MountedDisk.mount(300 * 1024 * 1024);
    onTestFinished(() => disk.remove());
    const folder = join(disk.folder, 'postgres');
    mkdirSync(folder);
    const postgres = await PostgresServer.start(['min_wal_size=32MB', 'max_wal_size=64MB'], folder);
    onTestFinished(() => postgres.remove());
    const url = await postgres.database();
    const setup = await MirrorSetup.open({ SENTLOG_STORE: url });
    onTestFinished(() => setup.close());
    const { infobip, home } = setup;
    setup.send(10_000, 10 * hour);
    const sentlog = await home.serve();
    const calls = home.calls(sentlog);
    await setup.addMirror('--requests-per-minute', '600');
    const { url: hook } = JSON.parse(await setup.command('mirrors', 'webhook', 'default', '--url', sentlog.address));
    const tell = async () => {
      const messages = infobip.log.messages().slice(-200);
      const body = deliveryJson(messages.map(one => simulatedReport(one, one.sentAt + 10_000)));
      const { status } = await fetch(hook, { method: 'POST', headers: { 'content-type': 'application/json' }, body });
      return status;
    };
    const told: number[] = [];
    const refusals = () => told.filter(status => status !== 200).length;
    const fullFor = async () => {
      disk.fill();
      setup.send(3000, 10_000);
      // What is read meanwhile waits for the log; a webhook is refused, and comes again.
      const before = refusals();
      await until(async () => {
        told.push(await tell());
        return refusals() >= before + 20;
      }, 300_000);
      expect((await calls.call('/health/live')).status).toBe(200);
      disk.makeRoom();
      // A server that has no room for its write-ahead log ends itself; whoever runs it starts it again.
      if (!(await postgres.isThere(url))) {
        await postgres.halt('kill');
        await postgres.resume();
      }
      await until(async () => (await tell()) === 200, 300_000);
    };
    await until(async () => (await recorded(calls)) > 0);
    await fullFor();
    await setup.untilSame(sentlog);
    for (let round = 0; round < 3; round++) await fullFor();
    await setup.untilSame(sentlog);
    expect(told.filter(status => status !== 200 && status !== 503)).toEqual([]);
    expect(await setup.status()).toMatchObject({ state: 'following', gaps: [], refused: 0 });
  },
);

async function recorded(calls: LogCalls): Promise<number> {
  const { text } = await calls.call('/metrics');
  return Number(/^sentlog_mirror_recorded_total\{mirror="1"\} (\d+)$/m.exec(text)?.[1]);
}

/** As many as the issue of a bad day asks for; fewer while the test itself is tried. */
const webhooks = Number(process.env.SENTLOG_TEST_WEBHOOKS ?? 100_000);
const connections = 64;

test.each(engines)(
  '100,000 webhooks, a report each, some of messages that are still to be read (%s) → each answered, and the truth',
  async engine => {
    const setup = await opened(engine);
    const { infobip, home } = setup;
    setup.send(4000, 10 * hour);
    const sentlog = await home.serve();
    await setup.addMirror();
    await setup.untilSame(sentlog);
    const { url } = JSON.parse(await setup.command('mirrors', 'webhook', 'default', '--url', sentlog.address));
    // Their webhooks come first, their messages when the other side is back.
    infobip.isAway = true;
    setup.send(1000, 60_000);
    const messages = infobip.log.messages();
    const pool = new Pool(sentlog.address, { connections });
    const begunAt = performance.now();
    const usedBefore = cpuSeconds(process.pid);
    const [ownBefore, serverBefore] = [process.cpuUsage(), cpuSeconds(sentlog.pid)];
    const statuses = new Map<number, number>();
    let next = 0;
    const post = async () => {
      while (next < webhooks) {
        const place = next++;
        const message = messages[(place * 7919) % messages.length];
        if (message === undefined) throw new Error('no message');
        const at = message.sentAt + ((place * 31) % 400);
        const body = deliveryJson([simulatedReport(message, at)]);
        const headers = { 'content-type': 'application/json' };
        const { statusCode, body: said } = await pool.request({
          method: 'POST',
          path: new URL(url).pathname,
          headers,
          body,
        });
        await said.dump();
        statuses.set(statusCode, (statuses.get(statusCode) ?? 0) + 1);
      }
    };
    await Promise.all(Array.from({ length: connections }, post));
    const seconds = (performance.now() - begunAt) / 1000;
    await pool.close();
    const { user, system } = process.cpuUsage(ownBefore);
    const server = cpuSeconds(sentlog.pid) - serverBefore;
    // The database too, where there is one: all of them are of this process.
    const all = cpuSeconds(process.pid) - usedBefore - (user + system) / 1e6;
    const each = (cpuS: number) => `${Math.round((cpuS * 1e6) / webhooks)} us`;
    console.log(
      `${webhooks} webhooks over ${engine} in ${seconds.toFixed(1)} s: CPU ${each(server)} each, with a database ${each(all)}`,
    );
    expect(Object.fromEntries(statuses)).toEqual({ 200: webhooks });
    infobip.isAway = false;
    await setup.untilSame(sentlog);
  },
);
