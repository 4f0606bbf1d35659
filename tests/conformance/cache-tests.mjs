// node cache-tests.mjs PACKAGE RESULTS: prints the results of http-cache-tests as a table. PACKAGE is its folder, and RESULTS
// the file that its command wrote. Fails if a test fails that is not in `accepted`, or passes that is.
import fs from 'fs'

// `roan/src/purger/embedded/conformance.md` has the reasons.
const accepted = [
  'age-parse-prefix',
  'cc-resp-must-revalidate-stale',
  'other-age-gen',
  'other-date-update',
  'surrogate-fresh-cc-nostore',
  'surrogate-no-store-cc-fresh'
]

const [folder, file] = process.argv.slice(2)
const { default: suites } = await import(`${folder}/tests/index.mjs`)
const { default: surrogate } = await import(`${folder}/tests/surrogate-control.mjs`)
const results = JSON.parse(fs.readFileSync(file, 'utf8'))
suites.push(surrogate)

const tests = new Map(suites.flatMap(suite => suite.tests).map(test => [test.id, test]))
const names = ['pass', 'fail', 'optional', 'yes', 'no', 'not run']

// As `lib/display.mjs` judges, which runs in a browser alone.
function judge (test) {
  const result = results[test.id]
  const needs = (test.depends_on || []).map(id => judge(tests.get(id)))
  if (result === undefined || needs.some(need => !['pass', 'yes'].includes(need))) return 'not run'
  if (result[0] === 'Setup') return 'not run'
  const [good, bad] = { optimal: ['pass', 'optional'], check: ['yes', 'no'] }[test.kind] || ['pass', 'fail']
  return result === true ? good : bad
}

const failed = []
const wrong = []
const total = names.map(() => 0)
console.log(`| group | ${names.join(' | ')} |\n|---|${names.map(() => '---:|').join('')}`)
for (const suite of suites) {
  const counts = names.map(() => 0)
  for (const test of suite.tests.filter(test => test.browser_only !== true)) {
    const verdict = judge(test)
    counts[names.indexOf(verdict)] += 1
    total[names.indexOf(verdict)] += 1
    if ((verdict === 'fail') !== accepted.includes(test.id)) wrong.push(test.id)
    if (['fail', 'optional'].includes(verdict)) failed.push(`${verdict}: ${test.id}: ${test.name}: ${results[test.id][1]}`)
  }
  const name = suite.name.replace(/If-\S+|Last-Modified|ETag/g, "`$&`")
  console.log(`| ${name} | ${counts.join(' | ')} |`)
}
console.log(`| together | ${total.join(' | ')} |\n`)
console.log(failed.join('\n'))
if (wrong.length > 0) {
  console.error(`not as in \`accepted\` of cache-tests.mjs: ${wrong.join(', ')}`)
  process.exit(1)
}
