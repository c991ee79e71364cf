import { api, authority, type LoginDocument, Problem } from './api';
import { Store } from './store';

/** Who is signed in to the console. The gateway calls the resource of a login `/v1/session`. */
export type Login =
  | { phase: 'asking' }
  | { phase: 'unreachable' }
  /** `expired` keeps whose login it was, so that the view stays where it is. */
  | { phase: 'out'; why: 'none' | 'signed-out' }
  | { phase: 'expired'; was: LoginDocument }
  | { phase: 'in'; who: LoginDocument; revision: number };

export const login = new Store<Login>({ phase: 'asking' });
let revision = 0;

function signedIn(who: LoginDocument): void {
  authority.csrf = who.csrf;
  login.set({ phase: 'in', who, revision: ++revision });
}

authority.onUnauthorized = () => {
  const now = login.value;
  authority.csrf = '';
  if (now.phase === 'in') login.set({ phase: 'expired', was: now.who });
};

// Another tab may have signed in meanwhile: the cookie is shared, and what guards writes is not.
authority.onForbidden = async () => {
  const before = login.value;
  const { csrf } = authority;
  if (before.phase !== 'in') return false;
  let now: LoginDocument;
  try {
    now = await api.login();
  } catch {
    return false;
  }
  if (now.csrf === csrf) return false;
  signedIn(now);
  // Somebody else's login must not do what this one was asked to do.
  return now.name === before.who.name && now.role === before.who.role;
};

/** Whether the browser has a login from before. */
export async function restoreLogin(): Promise<void> {
  try {
    signedIn(await api.login());
  } catch (error) {
    const gone = error instanceof Problem && error.status === 401;
    login.set(gone ? { phase: 'out', why: 'none' } : { phase: 'unreachable' });
  }
}

export async function signIn(token: string): Promise<void> {
  signedIn(await api.signIn(token));
}

export async function signOut(): Promise<void> {
  try {
    await api.signOut();
  } catch (error) {
    // A login that has ended already is what was asked for; anything else is an error.
    if (!(error instanceof Problem && error.status === 401)) throw error;
  }
  authority.csrf = '';
  login.set({ phase: 'out', why: 'signed-out' });
}
