/** Work of which there is one at a time: who asks for it while it is under way shares what it comes to. */
export class UnderWay<T> {
  #work: Promise<T> | undefined;

  share(begin: () => Promise<T>): Promise<T> {
    this.#work ??= begin().finally(() => {
      this.#work = undefined;
    });
    return this.#work;
  }

  /** Resolves when what is under way has ended, whatever it came to. */
  async over(): Promise<void> {
    await this.#work?.catch(() => {});
  }
}
