import { AppError } from '../../../protocol/errors.ts';
import type { CaStatus } from '../../../protocol/rest-ca.ts';
import {
  caStatusSchema,
  rotateIssuingRequestSchema,
  rotationRequestSchema,
} from '../../../protocol/rest-ca.ts';
import type { Rotation } from '../../ca/rotation.ts';
import type { Organizations } from '../../tenancy/organizations.ts';
import { defineRoute, type Route } from '../route.ts';

const PATH = '/api/v1/ca';

/** The certificate authority of the whole orchestrator, for who rules it. */
export function caRoutes(options: {
  rotation: Rotation;
  status(): Promise<CaStatus>;
  organizations: Pick<Organizations, 'find'>;
}): Route[] {
  const { rotation, status, organizations } = options;
  return [
    defineRoute({
      method: 'GET',
      path: PATH,
      summary:
        'The certificate authority: roots, issuing certificates, and which agents trust and hold which',
      auth: 'user',
      needs: 'system',
      response: caStatusSchema,
      handler: status,
    }),
    defineRoute({
      method: 'POST',
      path: `${PATH}/rotation`,
      summary: 'One step of a rotation of the root: start, activate, finish, or abort',
      auth: 'user',
      needs: 'system',
      body: rotationRequestSchema,
      response: caStatusSchema,
      async handler({ caller, body, request }) {
        await rotation.run(body, { actor: caller.actor, address: request.address });
        return status();
      },
    }),
    defineRoute({
      method: 'POST',
      path: `${PATH}/issuing`,
      summary: 'Make another issuing certificate, for an organization or for the orchestrator itself',
      auth: 'user',
      needs: 'system',
      body: rotateIssuingRequestSchema,
      response: caStatusSchema,
      async handler({ caller, body, request }) {
        let id: string | null = null;
        if (body.organization !== null) {
          const found = await organizations.find(body.organization);
          if (found === undefined)
            throw new AppError('not_found', { detail: `There is no organization ${body.organization}.` });
          id = found.id;
        }
        await rotation.renewIssuing(id, { actor: caller.actor, address: request.address });
        return status();
      },
    }),
  ];
}
