import { api, authority, Problem, type SessionDocument } from './api';
import { Store } from './store';

export type Session =
  | { phase: 'asking' }
  | { phase: 'unreachable' }
  /** `expired` keeps whose sign-in it was, so that the view stays where it is. */
  | { phase: 'out'; why: 'none' | 'signed-out' }
  | { phase: 'expired'; was: SessionDocument }
  | { phase: 'in'; who: SessionDocument; revision: number };

export const session = new Store<Session>({ phase: 'asking' });
let revision = 0;

function signedIn(who: SessionDocument): void {
  authority.csrf = who.csrf;
  session.set({ phase: 'in', who, revision: ++revision });
}

authority.onUnauthorized = () => {
  const now = session.value;
  authority.csrf = '';
  if (now.phase === 'in') session.set({ phase: 'expired', was: now.who });
};

// Another tab may have signed in meanwhile: the cookie is shared, and what guards writes is not.
authority.onForbidden = async () => {
  const before = session.value;
  const { csrf } = authority;
  if (before.phase !== 'in') return false;
  let now: SessionDocument;
  try {
    now = await api.session();
  } catch {
    return false;
  }
  if (now.csrf === csrf) return false;
  signedIn(now);
  // Somebody else's sign-in must not do what this one was asked to do.
  return now.name === before.who.name && now.role === before.who.role;
};

/** Whether the browser holds a sign-in from before. */
export async function resume(): Promise<void> {
  try {
    signedIn(await api.session());
  } catch (error) {
    const gone = error instanceof Problem && error.status === 401;
    session.set(gone ? { phase: 'out', why: 'none' } : { phase: 'unreachable' });
  }
}

export async function signIn(token: string): Promise<void> {
  signedIn(await api.signIn(token));
}

export async function signOut(): Promise<void> {
  try {
    await api.signOut();
  } catch (error) {
    // A session that is gone already is what was asked for; anything else is told.
    if (!(error instanceof Problem && error.status === 401)) throw error;
  }
  authority.csrf = '';
  session.set({ phase: 'out', why: 'signed-out' });
}
