// The processes that a test file started: servers that left its process group as well.
import fs from 'node:fs';
import path from 'node:path';

const read = (file) => {
  try {
    return fs.readFileSync(file, 'latin1');
  } catch {
    return ''; // it has ended, or is somebody else's
  }
};
const cwdOf = (pid) => {
  try {
    return fs.readlinkSync(`/proc/${pid}/cwd`);
  } catch {
    return '';
  }
};

/**
 * Living processes that carry `mark` in their environment or work in `folder`, as [{pid, command}]. Redis
 * and PostgreSQL write over their environment, but work in their data folder.
 */
export function processesOf(mark, folder) {
  const found = [];
  for (const name of fs.readdirSync('/proc')) {
    const pid = Number(name);
    if (!Number.isInteger(pid) || pid === process.pid) continue;
    const works = cwdOf(pid);
    if (
      works !== folder &&
      !works.startsWith(folder + path.sep) &&
      !read(`/proc/${pid}/environ`).includes(mark)
    )
      continue;
    if (!isRunning(pid)) continue;
    found.push({
      pid,
      command:
        read(`/proc/${pid}/cmdline`).replaceAll('\0', ' ').trim() ||
        read(`/proc/${pid}/comm`).trim(),
    });
  }
  return found;
}

/** A process that has ended, but was not waited for by the one that started it, does not run. */
export const isRunning = (pid) => /^State:\s+[^ZX]/m.test(read(`/proc/${pid}/status`));

export function kill(pid, signal) {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if (error.code !== 'ESRCH') throw error;
  }
}
