/** What is asked for anew when something in it was changed. */
export const accountList = 'account';
export const accountsList = 'accounts';
