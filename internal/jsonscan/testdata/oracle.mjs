// Answers what V8 makes of times and strings: one JSON object a line in, one
// out. {times: [ISO text]} becomes their toISOString, null where there is none;
// {strings: [text]} becomes their JSON.stringify.
import readline from 'node:readline'

const answer = { times: [], strings: [] }
for await (const line of readline.createInterface({ input: process.stdin })) {
  const { times = [], strings = [] } = JSON.parse(line)
  answer.times = times.map((t) => {
    const d = new Date(t)
    return Number.isNaN(d.getTime()) ? null : d.toISOString()
  })
  answer.strings = strings.map((s) => JSON.stringify(s))
  console.log(JSON.stringify({ event: 'answer', ...answer }))
}
