/** A promise of the product, under the id by which tests cite it. */
export interface Guarantee {
  id: string;
  text: string;
}
