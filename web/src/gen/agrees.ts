/**
 * Checked by the compiler alone: every field that the pages read is one that the hub's schema has,
 * and can hold what the schema says. schema.ts is made from the hub (`make fix`); api/types.ts says
 * more than a schema can (which words a status is), so it is written by hand and held against it here.
 */
import type * as ours from '../api/types';
import type { components } from './schema';

type Schemas = components['schemas'];

/** The schema's open words (`string`) may stand where ours is one of a few; all else must fit. */
type Fits<Ours, Theirs> = Theirs extends Ours
  ? true
  : [Ours, Theirs] extends [string | null, string | null]
    ? true
    : Ours extends object | null
      ? Theirs extends object | null
        ? true
        : false
      : false;

/** Our fields that the schema lacks or holds as something else; `never` when all is well. */
type Astray<Ours, Theirs> = {
  [Name in keyof Ours & string]: Name extends keyof Theirs ? (Fits<Ours[Name], Theirs[Name]> extends false ? Name : never) : Name;
}[keyof Ours & string];

type Agrees<Ours, Theirs> = [Astray<Required<Ours>, Required<Theirs>>] extends [never] ? true : Astray<Required<Ours>, Required<Theirs>>;

const agreed: {
  readonly anySession: Agrees<ours.AnySession, Schemas['SessionShortOut']>;
  readonly anyTunnel: Agrees<ours.AnyTunnel, Schemas['TunnelOut']>;
  readonly auditEntry: Agrees<ours.AuditEntry, Schemas['AuditOut']>;
  readonly group: Agrees<ours.Group, Schemas['GroupOut']>;
  readonly limits: Agrees<ours.Limits, Schemas['LimitsShape']>;
  readonly permissions: Agrees<ours.Permissions, Schemas['PermissionsOut']>;
  readonly setting: Agrees<ours.Setting, Schemas['SettingOut']>;
  readonly user: Agrees<ours.User, Schemas['UserOut']>;
  readonly account: Agrees<ours.Account, Schemas['MeOut']>;
  readonly authState: Agrees<ours.AuthState, Schemas['AuthState']>;
  readonly chat: Agrees<ours.Chat, Schemas['WholeChatOut']>;
  readonly readChat: Agrees<ours.ReadChat, Schemas['ReadChatOut']>;
  readonly chatSummary: Agrees<ours.ChatSummary, Schemas['ChatOut']>;
  readonly cluster: Agrees<ours.Cluster, Schemas['ClusterOut']>;
  readonly device: Agrees<ours.DeviceRequest, Schemas['DeviceRequestOut']>;
  readonly key: Agrees<ours.Key, Schemas['KeyOut']>;
  readonly logLine: Agrees<ours.LogLine, Schemas['LogLineOut']>;
  readonly message: Agrees<ours.Message, Schemas['MessageOut']>;
  readonly provider: Agrees<ours.Provider, Schemas['ProviderOut']>;
  readonly session: Agrees<ours.Session, Schemas['SessionOut']>;
  readonly signIn: Agrees<ours.SignIn, Schemas['SignInOut']>;
  readonly template: Agrees<ours.Template, Schemas['TemplateOut']>;
  readonly timings: Agrees<ours.Timings, Schemas['TimingsOut']>;
  readonly recoveryCodes: Agrees<ours.RecoveryCodes, Schemas['RecoveryCodesOut']>;
  readonly tool: Agrees<ours.Tool, Schemas['ToolOut']>;
  readonly twoStep: Agrees<ours.TwoStep, Schemas['TwoStepOut']>;
  readonly twoStepSecret: Agrees<ours.TwoStepSecret, Schemas['SecretOut']>;
  readonly usage: Agrees<ours.Usage, Schemas['UsageOut']>;
  readonly tunnel: Agrees<ours.Tunnel, Schemas['TunnelOut']>;
} = {
  anySession: true, anyTunnel: true, auditEntry: true, group: true, limits: true, permissions: true, setting: true, user: true,
  account: true, authState: true, chat: true, readChat: true, chatSummary: true, cluster: true, device: true, key: true, logLine: true,
  message: true, provider: true, session: true, signIn: true, template: true, timings: true, tool: true, usage: true, tunnel: true,
  recoveryCodes: true, twoStep: true, twoStepSecret: true,
};
export default agreed;
