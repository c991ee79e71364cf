import { render } from 'preact';
import { restoreLogin } from './core/login';
import { App } from './shell/app';
import './core/theme';

void restoreLogin();
render(<App />, document.getElementById('app')!);
