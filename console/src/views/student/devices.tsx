import { useState } from 'preact/hooks';
import { api, type DeviceDocument, Problem } from '../../core/api';
import { useLoad } from '../../core/use';
import { Dialog } from '../../parts/controls';
import { Pending } from '../../parts/states';
import { t } from '../../text/en';
import { date, fullDateTime } from '../../text/format';

function RevokeDialog({
  kid,
  onClose,
  onRevoked,
}: {
  kid: string;
  onClose: () => void;
  onRevoked: () => void;
}) {
  const [failed, setFailed] = useState<string>();
  return (
    <Dialog title={t.student.revokeTitle} onClose={onClose}>
      <p>{t.student.revokeText}</p>
      <p>
        <code class="kid-whole">{kid}</code>
      </p>
      {failed && (
        <p class="refused" role="alert">
          {failed}
        </p>
      )}
      <footer>
        <button type="button" class="button" onClick={onClose}>
          {t.student.cancel}
        </button>
        <button
          type="button"
          class="button danger"
          onClick={async () => {
            try {
              await api.revoke(kid);
              onRevoked();
            } catch (problem) {
              setFailed(
                problem instanceof Problem && problem.status > 0
                  ? t.state.fault(problem.detail)
                  : t.state.unreachableTitle,
              );
            }
          }}
        >
          {t.student.revoke}
        </button>
      </footer>
    </Dialog>
  );
}

function DeviceTable({
  devices,
  onRevoke,
}: {
  devices: readonly DeviceDocument[];
  onRevoke: (kid: string) => void;
}) {
  const words = t.student.device;
  return (
    <div class="scroll" tabIndex={0} role="group" aria-label={t.student.devices}>
      <table class="stacks">
        <thead>
          <tr>
            <th scope="col">{words.kid}</th>
            <th scope="col">{words.algorithm}</th>
            <th scope="col">{words.created}</th>
            <th scope="col">{words.state}</th>
            <th scope="col">
              <span class="visually-hidden">{t.student.revoke}</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {devices.map((device) => (
            <tr key={device.kid} data-device={device.kid}>
              <td data-label={words.kid}>
                <code class="kid" title={device.kid}>
                  {device.kid}
                </code>
              </td>
              <td data-label={words.algorithm}>{device.algorithm}</td>
              <td
                class="nowrap"
                data-label={words.created}
                title={fullDateTime(Date.parse(device.created_at))}
              >
                {date(Date.parse(device.created_at))}
              </td>
              <td data-label={words.state}>
                {device.revoked ? (
                  <span class="chip chip-off">{t.student.deviceRevoked}</span>
                ) : (
                  <span class="chip chip-on">{t.student.deviceActive}</span>
                )}
              </td>
              <td class="right">
                {!device.revoked && (
                  <button type="button" class="button small" onClick={() => onRevoke(device.kid)}>
                    {t.student.revoke}
                  </button>
                )}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** The student's devices; each can be revoked. For administrators. */
export function Devices({ student }: { student: string }) {
  const list = useLoad((signal) => api.devices(student, signal), [student]);
  const [revoking, setRevoking] = useState<string>();
  return (
    <section class="card" aria-labelledby="devices-title">
      <div class="card-head">
        <h2 id="devices-title">{t.student.devices}</h2>
      </div>
      {!list.data ? (
        <Pending of={list} />
      ) : list.data.items.length === 0 ? (
        <p class="faint pad">{t.student.noDevices}</p>
      ) : (
        <DeviceTable devices={list.data.items} onRevoke={setRevoking} />
      )}
      {revoking !== undefined && (
        <RevokeDialog
          kid={revoking}
          onClose={() => setRevoking(undefined)}
          onRevoked={() => {
            setRevoking(undefined);
            list.reload();
          }}
        />
      )}
    </section>
  );
}

/** In their place, for every other role. */
export const HiddenDevices = () => (
  <section class="card">
    <div class="card-head">
      <h2>{t.student.devices}</h2>
    </div>
    <p class="faint pad">{t.student.devicesAdmin}</p>
  </section>
);
