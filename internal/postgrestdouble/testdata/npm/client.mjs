// Asks the questions of the test with the official client and prints the
// answers, one JSON object a line.
import { PostgrestClient } from '@supabase/postgrest-js';

const [url, key] = process.argv.slice(2);
const headers = { apikey: key, Authorization: `Bearer ${key}` };
const db = new PostgrestClient(url, { headers });
const ask = async (name, query) => {
  const { data, error, count, status } = await query;
  console.log(JSON.stringify({ event: 'answer', name, data, error, count, status }));
};

await ask('all', db.from('things').select('*').order('id'));
await ask('columns', db.from('things').select('id,label:name').order('id', { ascending: false }));
await ask('eq', db.from('things').select('id').eq('name', 'a,b'));
await ask('in', db.from('things').select('id').in('name', ['a,b', 'x"y', 'pa(ren)']).order('id'));
await ask('range', db.from('things').select('id', { count: 'exact' }).order('id').range(1, 2));
await ask('limit', db.from('things').select('id').order('id').limit(2));
await ask('gte', db.from('things').select('id').gte('at', '2024-01-02T00:00:00Z').order('id'));
await ask('or', db.from('things').select('id').or('name.eq."a,b",and(id.gt.3,id.lte.4)').order('id'));
await ask('not', db.from('things').select('id').not('name', 'is', null).order('id'));
await ask('isnull', db.from('things').select('id').is('name', null));
await ask('single', db.from('things').select('id').eq('id', 1).single());
await ask('notsingle', db.from('things').select('id').single());
await ask('head', db.from('things').select('*', { count: 'exact', head: true }));
await ask('nosuch', db.from('nosuch').select('*'));
await ask('nocolumn', db.from('things').select('nope'));
await ask('cast', db.from('things').select('n:id::text,at').eq('id', 2));
await ask('inside', db.from('papers').select('id').eq('extra->a->>b', 'x'));
await ask('embedded', db.from('things').select('id,o:hidden!id(id)').eq('o.id', 1));
await ask('long', db.from('things').select('id').eq('name', 'x'.repeat(9000)));
await ask('schema', db.schema('other').from('things').select('*'));
await ask('denied', db.from('hidden').select('*'));
await ask('badtoken', new PostgrestClient(url, { headers: { apikey: 'x', Authorization: 'Bearer a.b.c' } }).from('things').select('*'));
await ask('nokey', new PostgrestClient(url).from('things').select('*'));
console.log(JSON.stringify({ event: 'end' }));
