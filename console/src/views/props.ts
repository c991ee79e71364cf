/** What every view is given. */
export interface ViewProps {
  /** The id in the address, where the view has one. */
  id: string;
  search: URLSearchParams;
}
