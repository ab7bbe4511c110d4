import { filled, present } from '../wire/present.ts';
import type { Button, GenericElement, QuickReply, Template } from '../wire/send/send-content.ts';

/** A template as the attachment of a Graph message. */
export function templateAttachment(template: Template): object {
  return { type: 'template', payload: templatePayload(template) };
}

function templatePayload(template: Template): object {
  switch (template.type) {
    case 'BUTTON':
      return { template_type: 'button', text: template.text, buttons: template.buttons.map(graphButton) };
    case 'GENERIC':
    case 'MARKETING_MESSAGE':
      return { template_type: 'generic', elements: template.elements.map(genericElement) };
    case 'OPT_IN':
      return present({
        template_type: 'notification_messages',
        payload: template.payload,
        title: filled(template.title),
        image_url: filled(template.imageUrl),
        image_aspect_ratio: template.imageAspectRatio,
        notification_messages_timezone: filled(template.notificationMessagesTimezone),
        notification_messages_cta_text: template.notificationMessagesCtaText,
      });
    case 'OPT_IN_CAROUSEL':
      return present({
        template_type: 'notification_messages',
        elements: template.elements.map(({ title, imageUrl, payload, notificationMessagesCtaText }) =>
          present({
            title,
            image_url: filled(imageUrl),
            payload,
            notification_messages_cta_text: notificationMessagesCtaText,
            notification_messages_frequency: 'DAILY',
          }),
        ),
        image_aspect_ratio: template.imageAspectRatio,
        notification_messages_timezone: filled(template.notificationMessagesTimezone),
      });
  }
}

function genericElement({ title, subtitle, imageUrl, defaultAction, buttons = [] }: GenericElement): object {
  return present({
    title,
    subtitle: filled(subtitle),
    image_url: filled(imageUrl),
    default_action: defaultAction === undefined ? undefined : { type: 'web_url', url: defaultAction.url },
    // Meta refuses an empty list.
    buttons: buttons.length === 0 ? undefined : buttons.map(graphButton),
  });
}

function graphButton(button: Button): object {
  switch (button.type) {
    case 'URL':
      return { type: 'web_url', title: button.title, url: button.url };
    case 'POSTBACK':
      return { type: 'postback', title: button.title, payload: button.payload };
    case 'CALL':
      return { type: 'phone_number', title: button.title, payload: button.payload };
  }
}

export function graphQuickReply(reply: QuickReply): object {
  switch (reply.type) {
    case 'TEXT':
      return present({
        content_type: 'text',
        title: reply.title,
        payload: reply.payload,
        image_url: filled(reply.imageUrl),
      });
    case 'PHONE_NUMBER':
      return { content_type: 'user_phone_number' };
    case 'EMAIL':
      return { content_type: 'user_email' };
  }
}
