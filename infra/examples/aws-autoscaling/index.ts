// A group whose machines come and go by themselves. They read their token from a secret store with the machine's role,
// so that the launch template holds no secret.
import * as aws from '@pulumi/aws';
import * as pulumi from '@pulumi/pulumi';
import { AgentUserData, ProvisioningToken } from 'vm-agent/infra';

const config = new pulumi.Config();
const subnetIds = config.requireObject<string[]>('subnetIds');
const maxSize = config.getNumber('maxSize') ?? 10;
const orchestrator = {
  url: config.require('orchestratorUrl'),
  apiToken: config.requireSecret('apiToken'),
  caPem: config.get('orchestratorCa'),
};

// A group token: more machines than one, for longer than a boot, from this network only. The machines that a day may
// bring fit in it several times, and in one hour no more than twice the group: whoever spies it out gains little by it.
// When it is used up or spied out, revoke it and run `pulumi up`.
const token = new ProvisioningToken('web', {
  orchestrator,
  uses: maxSize * 10,
  rate: `${maxSize * 2}/1h`,
  ttl: '7d',
  renewEvery: '1d',
  labels: { role: 'web', stack: pulumi.getStack() },
  cidr: config.require('networkCidr'),
});
const kept = new aws.ssm.Parameter('web-token', { type: 'SecureString', value: token.token });

const role = new aws.iam.Role('web', {
  assumeRolePolicy: aws.iam.assumeRolePolicyForPrincipal({ Service: 'ec2.amazonaws.com' }),
});
new aws.iam.RolePolicy('web-token', {
  role: role.id,
  policy: kept.arn.apply((arn) =>
    JSON.stringify({
      Version: '2012-10-17',
      Statement: [{ Effect: 'Allow', Action: 'ssm:GetParameter', Resource: arn }],
    }),
  ),
});
const profile = new aws.iam.InstanceProfile('web', { role: role.name });

// The command runs as root at each try to enroll. Amazon Linux 2023 has the AWS CLI.
const { region } = aws.getRegionOutput();
const boot = new AgentUserData('web', {
  orchestrator,
  tokenFrom: pulumi.interpolate`aws ssm get-parameter --region ${region} --name ${kept.name} --with-decryption --query Parameter.Value --output text`,
});

const image = aws.ssm.getParameterOutput({
  name: '/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64',
});
const template = new aws.ec2.LaunchTemplate('web', {
  imageId: image.value,
  instanceType: config.get('instanceType') ?? 't3.small',
  iamInstanceProfile: { arn: profile.arn },
  userData: boot.userDataBase64,
  // Session tokens only, and none for containers: user-data and role credentials stay on the machine.
  metadataOptions: { httpTokens: 'required', httpPutResponseHopLimit: 1 },
  updateDefaultVersion: true,
});

const group = new aws.autoscaling.Group('web', {
  vpcZoneIdentifiers: subnetIds,
  minSize: config.getNumber('minSize') ?? 1,
  maxSize,
  // Machines that run keep what they were started with; new ones get the newest version.
  launchTemplate: { id: template.id, version: '$Latest' },
});

export const groupName = group.name;
export const tokenExpires = token.expiresAt;
