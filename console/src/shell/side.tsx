import type { LoginDocument } from '../core/api';
import { restoreLogin, signOut } from '../core/login';
import { pathOf, type Route } from '../core/router';
import { useStore } from '../core/store';
import { chooseTheme, type Theme, theme } from '../core/theme';
import { Brand } from '../parts/brand';
import { Choice } from '../parts/controls';
import { Icon, type IconName } from '../parts/icons';
import { t } from '../text/en';
import { mayOpen, menu } from './views';

function ThemeChoice() {
  const chosen = useStore(theme);
  const options: { value: Theme; icon: IconName }[] = [
    { value: 'system', icon: 'system' },
    { value: 'light', icon: 'sun' },
    { value: 'dark', icon: 'moon' },
  ];
  return (
    <Choice
      label={t.theme.label}
      value={chosen}
      onChange={chooseTheme}
      options={options.map(({ value, icon }) => ({
        value,
        text: <Icon name={icon} size={16} />,
        title: t.theme[value],
      }))}
    />
  );
}

/** Beside every view: the menu, the choice of colours, and who is signed in. */
export function Side({ who, route }: { who: LoginDocument; route: Route }) {
  const active = route.view === 'module' || route.view === 'student' ? 'modules' : route.view;
  return (
    <header class="side">
      <Brand />
      <nav aria-label={t.nav.label}>
        {menu
          .filter((view) => mayOpen(who.role, view))
          .map((view) => (
            <a
              key={view}
              href={pathOf({ view })}
              aria-current={active === view ? 'page' : undefined}
            >
              <Icon name={view} size={20} />
              <span>{t.nav[view]}</span>
            </a>
          ))}
      </nav>
      <div class="side-foot">
        <ThemeChoice />
        <div class="who">
          <span>
            <b>{who.name}</b>
            <small>{t.role[who.role]}</small>
          </span>
          <button
            type="button"
            class="icon-button"
            aria-label={t.signIn.out}
            title={t.signIn.out}
            onClick={() => void signOut().catch(() => restoreLogin())}
          >
            <Icon name="out" />
          </button>
        </div>
      </div>
    </header>
  );
}
