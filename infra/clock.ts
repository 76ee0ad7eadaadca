/** The one place where these components ask what time it is. They run where Pulumi runs, and import no base/. */
export const now = (): Date => new Date();
