// A reporter for node:test that says one line at the end: tests, not the suites around them.
export default async function* summary(source) {
  let passed = 0;
  let failed = 0;
  for await (const event of source) {
    if (event.type !== 'test:pass' && event.type !== 'test:fail') continue;
    if (event.data.skip !== undefined || event.data.todo !== undefined) continue;
    const isSuite = event.data.details?.type === 'suite';
    // A suite fails on its own account where its before or after does.
    if (event.type === 'test:pass') passed += isSuite ? 0 : 1;
    else if (!isSuite || event.data.details?.error?.failureType !== 'subtestsFailed') ++failed;
  }
  yield `${passed} passed, ${failed} failed\n`;
}
