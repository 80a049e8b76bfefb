// Follows a table with the official client and prints what it is told, one
// JSON object a line.
import { RealtimeClient } from '@supabase/realtime-js';
import WebSocket from 'ws';

const [url, key, table, vsn] = process.argv.slice(2);
const say = (event, more = {}) => console.log(JSON.stringify({ event, ...more }));

const client = new RealtimeClient(url, {
  params: { apikey: key },
  transport: WebSocket,
  heartbeatIntervalMs: 1500,
  ...(vsn ? { vsn } : {}),
  heartbeatCallback: (status) => { if (status === 'ok') say('heartbeat'); },
});
const channel = client
  .channel('inbox')
  .on('postgres_changes', { event: '*', schema: 'public', table }, (p) =>
    say('change', { type: p.eventType, table: p.table, new: p.new, old: p.old, commit: p.commit_timestamp, errors: p.errors }))
  .on('system', {}, (p) => say('system', { message: p.message, status: p.status, extension: p.extension }));
channel.subscribe((status, err) => say('status', { status, error: err ? String(err) : undefined }));

process.stdin.on('data', async (d) => {
  for (const line of String(d).trim().split('\n')) {
    const m = JSON.parse(line);
    if (m.do === 'token') await client.setAuth(m.token);
    if (m.do === 'leave') say('left', { result: await client.removeChannel(channel) });
  }
});
