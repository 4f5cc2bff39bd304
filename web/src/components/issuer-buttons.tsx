import './issuer-buttons.css';
import { issuerPath, issuers } from '../state/doors';

interface IssuerButtonsProps {
  readonly next: string;
  /** Opens the issuer's page in a tab of its own, so that this page loses nothing. */
  readonly isBeside?: boolean;
}

/** One way in for each issuer; nothing where there is none. */
export function IssuerButtons({ next, isBeside = false }: IssuerButtonsProps) {
  if (issuers.value.length === 0) return null;
  return (
    <div class="issuers">
      {issuers.value.map(({ name, label }) => (
        <a key={name} class="button" href={issuerPath(name, next)} {...(isBeside ? { target: '_blank', rel: 'noopener' } : {})}>
          {`Sign in with ${label}`}
        </a>
      ))}
      <p class="issuers-or">or with a name and password of this hub</p>
    </div>
  );
}
