/** Ends a form over the page: without a keyboard there is no other way out that shows. */
export function FormButtons({ onClose }: { readonly onClose: () => void }) {
  return (
    <div className="form-buttons">
      <button className="primary" type="submit">
        Apply
      </button>
      <button type="button" onClick={onClose}>
        Cancel
      </button>
    </div>
  );
}
