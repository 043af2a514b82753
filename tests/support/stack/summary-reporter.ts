import type { SerializedError } from '@vitest/utils'
import type { Reporter, TestModule, TestRunEndReason } from 'vitest/node'

/**
 * Prints `N passed, N failed` (and `, N skipped` when there are any) alone on the last line, so
 * that a script can read the result. A file that could not be loaded, or an error outside any
 * test, counts as a failure: it has no test of its own to count.
 */
export default class SummaryReporter implements Reporter {
  onTestRunEnd(
    modules: readonly TestModule[],
    errors: readonly SerializedError[],
    reason: TestRunEndReason,
  ): void {
    const counts = { passed: 0, failed: errors.length, skipped: 0 }
    for (const module of modules) {
      let failed = 0
      for (const test of module.children.allTests()) {
        const { state } = test.result()
        // A test that never ended, because the run was cut short, has not passed.
        if (state === 'passed') counts.passed++
        else if (state === 'skipped') counts.skipped++
        else failed++
      }
      counts.failed += failed === 0 && module.state() === 'failed' ? 1 : failed
    }
    // The stack did not start, say: no test failed because none ran.
    if (counts.failed === 0 && (reason !== 'passed' || counts.passed === 0)) counts.failed = 1
    const { passed, failed, skipped } = counts
    const tail = skipped > 0 ? `, ${skipped} skipped` : ''
    // After the other reporters, which print their summary in this same hook.
    setImmediate(() => console.log(`${passed} passed, ${failed} failed${tail}`))
  }
}
