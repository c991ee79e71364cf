import { render } from 'preact';
import { App } from './app';
import { resume } from './core/session';
import './core/theme';

void resume();
render(<App />, document.getElementById('app')!);
