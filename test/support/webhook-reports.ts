import { readWebhook, type WebhookForm } from '../../src/http/body/webhook-reports.ts';
import type { WebhookReports } from '../../src/mirror/webhook.ts';

/** What a webhook says, read without giving way. */
export function webhookReports(body: string, form: WebhookForm): WebhookReports {
  const work = readWebhook(body, form);
  for (;;) {
    const step = work.next();
    if (step.done === true) return step.value;
  }
}
