import { createHash } from 'node:crypto';
import {
  APPROVAL_NAMESPACE,
  type ApprovalPolicy,
  type ApprovalSignature,
  type ApprovalSubject,
  type Approver,
  approvalText,
} from '../protocol/approval.ts';
import { isSshSignature, sshFingerprint } from './sshsig.ts';
import { assertionProblem } from './webauthn.ts';

/** What approvers are asked to sign by WebAuthn, and the name of a subject: SHA-256 of its text. */
export const approvalDigest = (subject: ApprovalSubject): Buffer =>
  createHash('sha256').update(approvalText(subject)).digest();

/** Whether this approver signed just this subject. */
export function isSignedBy(
  approver: Approver,
  signature: ApprovalSignature,
  subject: ApprovalSubject,
): boolean {
  if ('key' in approver)
    return (
      signature.kind === 'ssh' &&
      isSshSignature({
        armored: signature.signature,
        message: approvalText(subject),
        namespace: APPROVAL_NAMESPACE,
        publicKey: approver.key,
      })
    );
  return (
    signature.kind === 'webauthn' &&
    assertionProblem(signature, approver.webauthn, approvalDigest(subject)) === undefined
  );
}

/** The names of those approvers who signed; who has two keys counts once. */
export function signersOf(
  policy: Pick<ApprovalPolicy, 'approvers'>,
  signatures: readonly ApprovalSignature[],
  subject: ApprovalSubject,
): string[] {
  const names = policy.approvers
    .filter((approver) => signatures.some((signature) => isSignedBy(approver, signature, subject)))
    .map(({ name }) => name);
  return [...new Set(names)];
}

/** An approver as people recognise him. */
export const approverText = (approver: Approver): string =>
  'key' in approver
    ? `${approver.name} (ssh-ed25519 ${sshFingerprint(approver.key) ?? 'not readable'})`
    : `${approver.name} (WebAuthn at ${approver.webauthn.rp_id})`;
