// What a visitor who does not want to be tracked is spared.

/** Global Privacy Control (w3.org/TR/gpc): no page views, nothing to other libraries, no id of our own making. */
export const optsOut = (): boolean => !!(navigator as { globalPrivacyControl?: boolean }).globalPrivacyControl;
