// What the command line, or the configuration of a test, asks of the stand-in.
import crypto from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';

const argv = process.argv.slice(2);
const option = (name, otherwise) =>
  argv.includes(`--${name}`) ? argv[argv.indexOf(`--${name}`) + 1] : otherwise;

export const sha256 = (text) => crypto.createHash('sha256').update(text).digest('hex');

/** `stateFile`: where the data stays over a restart; without it they are generated. */
export const options = {
  port: Number(option('port', 8444)),
  students: Number(option('students', 400)),
  rate: Number(option('rate', 20)),
  tokens: ['admin', 'viewer', 'operator'].map((role) => ({
    name: role,
    role,
    sha256: sha256(`${role}-secret`),
  })),
  loginS: 28_800,
  stateFile: undefined,
};

if (option('config')) {
  const text = fs.readFileSync(option('config'), 'utf8');
  options.port = Number(/^listen = ".*:(\d+)"/m.exec(text)[1]);
  options.tokens = [
    ...text.matchAll(/\[\[token\]\]\nname = "(.*)"\nrole = "(.*)"\nsha256 = "(.*)"/g),
  ].map(([, name, role, hash]) => ({ name, role, sha256: hash }));
  const hours = /login_hours = (\d+)/.exec(text)?.[1];
  if (hours) options.loginS = Number(hours) * 3_600;
  options.stateFile = path.join(/data_dir = "(.*)"/.exec(text)[1], 'mock.json');
}
